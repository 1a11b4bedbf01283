"""Runs of any size: a folder of shards that nothing can lose, computed by whoever there is.

`run.json` says what is computed, `shards/NNNNNN.npz` are the results, each published by one rename:
a shard that is there is done. So a run goes on after whatever ended it, in this process, in several
or on a cluster, and bitwise the same.
"""
