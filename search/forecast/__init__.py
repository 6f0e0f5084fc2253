"""What a sweep will take, told before it starts."""
