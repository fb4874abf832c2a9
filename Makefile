# Short names for the commands of run.py, which needs nothing but Python 3.11 or newer.
.PHONY: demo test prove lock

demo test prove lock:
	@python3 run.py $@
