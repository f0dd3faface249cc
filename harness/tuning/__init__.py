"""Which kernel and which tile configuration are fastest for a problem on a device: measured once, kept, and shipped for
devices that were measured here."""
