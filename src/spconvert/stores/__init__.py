"""Where stored objects live, how they are encoded, and how a finished store is published."""
