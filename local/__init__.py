"""The embedded stack: what the hosted services offer, on one machine."""
