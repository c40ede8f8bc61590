"""Shared documents: what a room of people editing one Yjs document is, as pure computation.

Bytes and time go in, effects come out. Nothing here awaits, logs, opens a socket, speaks SQL, or
reads a clock or the environment; it needs the standard library, pycrdt and orjson. `SPEC.md`
beside this file numbers the rules that the code keeps and the tests name.
"""
