"""Journal in, document out: the post-mortem, and what `allclear show` prints."""
