"""Everything around a room: sockets, REST, authentication, settings, processes."""
