-- Families of refresh tokens, and access tokens that were revoked. persistence/SCHEMA.md explains.

CREATE TABLE token_families (
    id           uuid        PRIMARY KEY,  -- the `fam` of its access tokens
    user_id      uuid        NOT NULL,
    minted_by    uuid        NOT NULL,
    terms        jsonb       NOT NULL CHECK (jsonb_typeof(terms) = 'object'),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,  -- of its newest refresh token
    access_until timestamptz NOT NULL,  -- of its newest access token
    revoked_at   timestamptz
);
-- All that a person has, when it is revoked or the person forgotten.
CREATE INDEX token_families_by_user ON token_families (user_id);
-- Those that have ended.
CREATE INDEX token_families_ended ON token_families (expires_at);

CREATE TABLE refresh_tokens (
    -- SHA-256 of the token, which is stored nowhere; every use starts from it.
    digest     bytea       PRIMARY KEY CHECK (length(digest) = 32),
    family_id  uuid        NOT NULL REFERENCES token_families (id) ON DELETE CASCADE,
    issued_at  timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
-- The tokens of a family that goes.
CREATE INDEX refresh_tokens_by_family ON refresh_tokens (family_id);
-- Those whose coming again tells nothing any more.
CREATE INDEX refresh_tokens_ended ON refresh_tokens (expires_at);

CREATE TABLE revoked_tokens (
    kind  text        NOT NULL CHECK (kind IN ('token', 'family', 'user')),
    key   text        NOT NULL,
    at    timestamptz NOT NULL,
    until timestamptz NOT NULL,
    CHECK (kind = 'token' OR key::uuid IS NOT NULL),
    -- A thing is revoked once, or later again.
    PRIMARY KEY (kind, key)
);
-- Those that are of no use any more.
CREATE INDEX revoked_tokens_ended ON revoked_tokens (until);
