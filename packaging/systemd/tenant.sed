# Makes fulcrum@.service of fulcrum.service: one of several tenants on a machine, each by its name.
s|^# fulcrum under systemd\.|# fulcrum under systemd, one of several: %i is the name of the tenant. Its config names\n# store.path = "/var/lib/fulcrum/%i/fulcrum.redb" and control_socket = "/run/fulcrum/%i/fulcrum.sock".|
s|^Description=.*|& (%i)|
s|/etc/fulcrum/|/etc/fulcrum/%i/|g
s,^\(State\|Logs\|Runtime\)Directory=fulcrum,&/%i,
s,systemctl \(enable --now\|reload\|status\) fulcrum,&@NAME,
