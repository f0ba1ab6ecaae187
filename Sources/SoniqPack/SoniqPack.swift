// SoniqPack: importers, calibration, bit allocation: a trained model to a ModelDescription.
