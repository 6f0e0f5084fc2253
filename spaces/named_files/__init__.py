"""Files and folders that a spec names by their paths: points, DeepSpeed's settings, encoders and texts."""
