// SoniqFormat: the bytes of a .soniq file to and from a ModelDescription. It executes nothing.
