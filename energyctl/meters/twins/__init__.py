"""Two identical loads of ours on one GPU: does each get the half of the energy that it used?

`estimates` are figures of plain data; `busy` sums how busy each process kept the GPU; `course` has
the GPU do it; `record` keeps what was found.
"""
