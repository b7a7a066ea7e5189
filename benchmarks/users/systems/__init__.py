"""Other systems that train the same users: Flower, pfl."""
