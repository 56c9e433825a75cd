"""Check a new machine: does what a device computes agree with the plain form on the CPU, and how fast is it?"""
