"""Records of results and pure functions of them."""
