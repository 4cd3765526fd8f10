"""Features over sliding windows: tiles, their layout and bytes, and the vector made of them."""
