"""The checks of `allclear check`: one module for each part of a company's folder."""
