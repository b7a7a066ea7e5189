"""Tables and figures of an ablation study, from its run folders alone."""
