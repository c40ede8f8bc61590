"""A session's board as one SVG file, for a report, a mail or an archive (SVG)."""
