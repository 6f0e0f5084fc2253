"""The processes that train and score: their jobs, devices, memory and groups."""
