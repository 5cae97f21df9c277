"""Whether a GPU's counter tells what energyctl takes for granted: nine steps on the machine itself.

`estimators` and `judgements` are figures and verdicts of plain data; `steps` has the GPU do
something and looks at its counter; `record` keeps what was found.
"""
