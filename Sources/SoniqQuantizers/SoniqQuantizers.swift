// SoniqQuantizers: real matrices to integer codes and scales.
