"""Publishing a trial's model: its card, the licences of its data, and the upload to a hub."""
