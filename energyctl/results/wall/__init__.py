"""The wall by a calibration: what phases tell, the record of it, and what it says of a run."""
