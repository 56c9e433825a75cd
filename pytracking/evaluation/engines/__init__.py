"""Where the jobs of a run are run: in this process, in worker processes of this machine, or in those of a cluster."""
