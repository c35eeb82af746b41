# shellcheck shell=bash
# Functions that start the stack without containers: Redis, nginx and php-fpm with the repository's configuration, and the
# services as last built. To be sourced after lib.sh, in the repository's root. `start_stack` starts all of it but PHP.
# shellcheck disable=SC2119,SC2120,SC2154 # arguments are optional; lib.sh defines `bin` and `tmp`
PATH=$PATH:/usr/sbin # Debian installs nginx there
reserve_ports redis_port user_port task_port port php_port python_port node_port
base=http://127.0.0.1:$port monitor=127.0.0.10
secrets=$tmp/secrets # in place of the volumes of docker-compose.yml
php_root=$PWD
monitor_env=(env REDIS_ADDRESS="127.0.0.1:$redis_port" REDIS_PASSWORD_FILE="$secrets/monitor/redis")

start_stack() { make_secrets && start_store && start_services && start_nginx "$@"; } # [CONFIGURATION]: see start_nginx

# Runs redis/secrets.sh and adds the Redis user `admin` for the tests.
make_secrets() { # SERVICE...: the services that get a new password
  mkdir -p "$secrets"
  redis/secrets.sh "$secrets" "$@" >>"$tmp/secrets.log"
  admin_password=$(od -An -N 16 -t x1 /dev/urandom | tr -d ' \n')
  { cat "$secrets/redis/users.acl"; echo "user admin reset on >$admin_password ~* +@all"; } >"$tmp/users.acl"
}
start_store() { start_redis "$redis_port" --aclfile "$tmp/users.acl" "$@"; } # OPTION...
redis_as() { # USER PASSWORD COMMAND...: prints the reply
  REDISCLI_AUTH=$2 timeout 10 redis-cli -p "$redis_port" --user "$1" "${@:3}" 2>&1
}
admin() { redis_as admin "$admin_password" "$@"; }
# Prints the commands that Redis denied since its start. CLIENT SETINFO and INFO are left out: nothing depends on them.
denied_commands() { admin acl log | awk 'previous == "object" && $0 != "client|setinfo" && $0 != "info"; { previous = $0 }'; }

start_service() { # BINARY[.SUFFIX] PORT [VARIABLE=VALUE...]
  local name=${1%.*}
  start "$1" env BIND="127.0.0.1:$2" LOG_FORMAT=json SESSION_STORE="redis://$name@127.0.0.1:$redis_port/0" \
    SESSION_STORE_PASSWORD_FILE="$secrets/$name/redis" "${@:3}" "$bin/$name"
  comes_up "$1" 20 responds "http://127.0.0.1:$2/healthz"
}
start_services() { start_service user-service "$user_port" "$@" && start_service task-service "$task_port" "$@"; } # [VARIABLE=VALUE...]

start_nginx() { # [CONFIGURATION]: additional directives for the http block
  nginx_conf <<CONF
map "" \$hsts { default ""; }
server {
    listen 127.0.0.1:$port default_server;
    set \$php 127.0.0.1:$php_port;
    set \$python http://127.0.0.1:$python_port;
    set \$node http://127.0.0.1:$node_port;
    set \$php_root $php_root;
    set \$pages $tmp/nginx/pages;
    include routes.conf;
}
${1:-}
CONF
  run_nginx
}
# Copies the configuration, and writes deployment.conf: the addresses of the services, then the standard input. nginx believes
# what $trusted_proxy says in X-Forwarded-Proto and X-Forwarded-For.
nginx_conf() {
  local trusted=${trusted_proxy:-}
  cp -r nginx "$tmp"
  {
    cat <<CONF
map "" \$user { default http://127.0.0.1:$user_port; }
map "" \$task { default http://127.0.0.1:$task_port; }
geo \$realip_remote_addr \$from_trusted_proxy { default 0; ${trusted:+$trusted 1;} }
geo \$is_monitor { default 0; $monitor 1; }
${trusted:+set_real_ip_from $trusted; real_ip_header X-Forwarded-For;}
CONF
    cat
  } >"$tmp/nginx/deployment.conf"
}
run_nginx() {
  start nginx nginx -p "$tmp/nginx" -e stderr -c "$tmp/nginx/nginx.conf" -g 'daemon off;'
  comes_up nginx 20 responds "$base/nginx-health"
}

start_php() { # SERIALIZE_HANDLER [VARIABLE=VALUE...]
  cat >"$tmp/php-fpm.conf" <<CONF
[global]
error_log = $tmp/php.log
[www]
listen = 127.0.0.1:$php_port
user = nobody
pm = static
pm.max_children = 2
clear_env = no
php_value[session.serialize_handler] = $1
CONF
  start php env REDIS_HOST=127.0.0.1 REDIS_PORT="$redis_port" REDIS_USER=php REDIS_PASSWORD_FILE="$secrets/php/redis" "${@:2}" \
    "$(php_fpm)" --nodaemonize --allow-to-run-as-root --fpm-config "$tmp/php-fpm.conf"
  comes_up php 20 listens "$php_port"
}
php_fpm() { compgen -G '/usr/sbin/php-fpm*' | sort | tail -n 1; } # Debian's name contains the version

# Installs the pages in Python and Node.js in $tmp, with the packages as last built.
install_pages() {
  local engines=${CARGO_TARGET_DIR:-target/packages}/debug
  cp -r python node "$tmp" && rm -rf "$tmp/node/node_modules" &&
    python3 -m venv "$tmp/venv" && "$tmp/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --require-hashes -r python/requirements.txt &&
    cp -r bindings/python/python/shared_session "$tmp/python" &&
    cp "$engines/lib_engine.so" "$tmp/python/shared_session/_engine.abi3.so" &&
    npm ci --prefix "$tmp/node" --silent --omit=dev --ignore-scripts --no-audit --no-fund && mkdir "$tmp/node/node_modules/shared-session" &&
    cp -r bindings/node/package.json bindings/node/lib "$tmp/node/node_modules/shared-session" &&
    cp "$engines/libshared_session_node.so" "$tmp/node/node_modules/shared-session/engine.node"
}
start_python() { # [VARIABLE=VALUE...]
  start python env -C "$tmp/python" LOG_FORMAT=json SESSION_STORE="redis://python@127.0.0.1:$redis_port/0" SESSION_STORE_PASSWORD_FILE="$secrets/python/redis" \
    SESSION_PRINCIPAL_FIELD=account "$@" \
    "$tmp/venv/bin/gunicorn" --config gunicorn.conf.py --bind "127.0.0.1:$python_port" server:app
  comes_up python 20 responds "http://127.0.0.1:$python_port/healthz"
}
start_node() { # [VARIABLE=VALUE...]
  start node env -C "$tmp/node" BIND="127.0.0.1:$node_port" LOG_FORMAT=json SESSION_STORE="redis://node@127.0.0.1:$redis_port/0" \
    SESSION_STORE_PASSWORD_FILE="$secrets/node/redis" SESSION_PRINCIPAL_FIELD=account "$@" node server.js
  comes_up node 20 responds "http://127.0.0.1:$node_port/healthz"
}
no_password_in() { not grep -qF -f <(cat "$secrets"/*/redis) "$@"; } # FILE...

redis_monitor() { "${monitor_env[@]}" monitoring/redis-monitor.sh "$@"; } # COMMAND...: asks Redis as an operator does
# Starts Prometheus with the repository's configuration, at the addresses of this stack, and redis_exporter.
start_monitoring() {
  reserve_ports prometheus_port exporter_port
  start exporter "${monitor_env[@]}" monitoring/redis-monitor.sh --export -web.listen-address "127.0.0.1:$exporter_port"
  cp -r monitoring "$tmp"
  sed -i -E -e 's/(scrape|evaluation|refresh)_interval: 15s/\1_interval: 1s/g' \
    -e "s/dns_sd_configs: .*names: \[(user|task)-service\].*/static_configs: [{ targets: [\"127.0.0.1:\1_port\"] }]/" \
    -e "s/user_port/$user_port/; s/task_port/$task_port/; s/redis-exporter:9121/127.0.0.1:$exporter_port/" "$tmp/monitoring/prometheus.yml"
  start prometheus prometheus --config.file="$tmp/monitoring/prometheus.yml" --storage.tsdb.path="$tmp/prometheus" \
    --web.listen-address="127.0.0.1:$prometheus_port"
  comes_up prometheus 20 responds "http://127.0.0.1:$prometheus_port/-/ready"
}
