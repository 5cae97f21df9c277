"""Stand-ins for an NVIDIA driver and a powercap tree that share one known waveform."""
