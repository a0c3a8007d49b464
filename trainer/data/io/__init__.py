"""Reading files of images and labels."""
