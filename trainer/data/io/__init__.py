"""Reading of files of images and labels."""
