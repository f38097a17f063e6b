"""What `allclear check` looks for in a company's folder: one module for each part of it."""
