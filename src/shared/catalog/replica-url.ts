/** What is wrong with the URL of a provider's status or wake call, or null. `ownHosts` are the hosts under which the gateway
 *  itself is reached: a call there would go round in a loop. */
export function callUrlProblem(text: string, ownHosts: ReadonlySet<string>): string | null {
	const url = /\s/.test(text) ? null : parse(text);
	if (!url) return `not a URL; expected http(s)://host[:port][/path]`;
	if (url.protocol !== "http:" && url.protocol !== "https:") return `must be http or https, not ${url.protocol}`;
	if (url.username !== "" || url.password !== "") {
		return "must hold no user name or password; name a Worker secret in the pool's `secret`";
	}
	if (ownHosts.has(hostKey(url.host))) return `is this gateway itself (${url.host}): requests would go round in a loop`;
	return null;
}

/** What is wrong with a replica's URL, or null. `ownHosts` as above. */
export function replicaUrlProblem(text: string, ownHosts: ReadonlySet<string>): string | null {
	const problem = callUrlProblem(text, ownHosts);
	if (problem !== null) return problem;
	// An empty query or fragment leaves no trace in the parsed URL.
	if (text.includes("?")) return "must have no query";
	if (text.includes("#")) return "must have no fragment";
	if (/\/v1(\/(chat\/completions|completions|embeddings|models))?$/.test(pathOf(new URL(text))))
		return "must end before /v1; Isobar adds that";
	return null;
}

/** A URL without the slash at its end, in the one spelling that equal URLs share. The URL must have passed the check. */
export function baseUrlOf(text: string): string {
	const url = new URL(text);
	return url.origin + pathOf(url);
}

/** Whether what is sent to `text` crosses a network in the clear: plain http to a host that is neither loopback nor in a
 *  private range. */
export function isOpenHttp(text: string): boolean {
	const url = parse(text);
	return (
		url?.protocol === "http:" &&
		!/^(localhost$|\[f[cd]|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)/.test(hostKey(url.hostname))
	);
}

/** A `host[:port]` in the form in which `replicaUrlProblem` compares it: lower case, default ports dropped (which scheme the
 *  client used does not matter behind a proxy), every name of the loopback interface the same. */
export function hostKey(host: string): string {
	const url = parse(`http://${host}`);
	if (!url) return host.toLowerCase();
	const name = url.hostname.replace(/\.$/, "");
	const loopback = /^(localhost|.*\.localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1?\]|\[::ffff:7f.*\])$/.test(name);
	const port = url.port === "" || url.port === "443" ? "" : `:${url.port}`;
	return (loopback ? "localhost" : name) + port;
}

function parse(text: string): URL | null {
	return URL.canParse(text) ? new URL(text) : null;
}

function pathOf(url: URL): string {
	return url.pathname.replace(/\/+$/, "");
}
