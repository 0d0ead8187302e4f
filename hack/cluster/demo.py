def run(t): pass
def remove(t): pass
