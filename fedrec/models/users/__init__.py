"""Models with a private part for each user beyond a vector: FedNCF and PFedRec."""
