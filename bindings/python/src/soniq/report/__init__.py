"""One page about a packed model, for people who would rather look than read: `soniq report`."""
