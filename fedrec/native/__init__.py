"""Kernels in C++ for what local training spends its time on, compiled at first use."""
