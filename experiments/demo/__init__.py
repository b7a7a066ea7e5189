"""`fedrec demo RUN`: a page on this machine that recommends, explains, and shows what was sent."""
