"""What an image is: geometry, axes, regions, lazy pixels, findings. NumPy only, no I/O."""
