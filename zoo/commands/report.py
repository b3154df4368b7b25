def finish_study(out, target, console, as_json):
    console.print("done")
