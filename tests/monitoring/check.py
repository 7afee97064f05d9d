"""The alert rules and the dashboard, judged by Prometheus' own tool.

    python3 tests/monitoring/check.py PROMTOOL

The rules are checked, and tried against the stories beside this file. Each expression of the dashboard
is checked as a recording rule, since promtool reads no dashboards. That panels do not lie over one
another, and that each refers to the data source that is chosen, is looked at here.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
MONITORING = HERE.parent.parent / "docs" / "monitoring"
WIDTH = 24


def main(promtool: str) -> None:
    run = lambda *arguments: subprocess.run([promtool, *map(str, arguments)], check=True)
    run("check", "rules", MONITORING / "fulcrum-alerts.yml")
    run("test", "rules", HERE / "stories.yml")
    untold = alerts() - told()
    assert not untold, f"no story has the alerts {sorted(untold)} fire"

    dashboard = json.loads((MONITORING / "fulcrum-dashboard.json").read_text())
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource", "instance"}, variables
    rules, cells, ids = [], set(), set()
    for panel in dashboard["panels"]:
        title, place = panel["title"], panel["gridPos"]
        assert panel["id"] not in ids, f"{title}: the id of another panel"
        ids.add(panel["id"])
        assert place["x"] + place["w"] <= WIDTH, f"{title}: wider than the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in cells, f"{title}: lies over another panel"
                cells.add((x, y))
        for target in [panel, *panel["targets"]]:
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        for target in panel["targets"]:
            expression = target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
            assert "$" not in expression, f"{title}: {expression}"
            rules.append({"record": f"dashboard:panel_{len(rules)}", "expr": expression})
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        # JSON is YAML.
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        run("check", "rules", file.name)


def words(path: Path, key: str) -> list[str]:
    """What stands behind a key, wherever it does: a YAML reader would be one more thing to install."""
    found = path.read_text().split(f"{key}:")[1:]
    return [rest.split()[0].rstrip(",}") for rest in found]


def alerts() -> set[str]:
    return set(words(MONITORING / "fulcrum-alerts.yml", "- alert"))


def told() -> set[str]:
    """The alerts that some story expects."""
    stories = (HERE / "stories.yml").read_text().split("alertname:")[1:]
    return {story.split()[0] for story in stories if story.split()[1:2] == ["exp_alerts:"]}


if __name__ == "__main__":
    main(sys.argv[1])
