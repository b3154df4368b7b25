def report_search(folder, console, as_json):
    pass
