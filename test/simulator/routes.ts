import type { Call } from "./call.ts";
import { statusError } from "./errors.ts";
import type { Exchange } from "./exchange.ts";
import type { JsonObject } from "./fields.ts";
import { inferChat, inferCompletion, inferEmbedding, readBody, type Inference } from "./inference.ts";
import { renderMetrics } from "./metrics.ts";
import { passFront } from "./provider.ts";
import type { Replica } from "./replica.ts";
import { SLEEP_TAGS } from "./sleep-mode.ts";
import { parseObject } from "./skim.ts";
import { detokenize, modelCard, tokenize } from "./utilities.ts";

/** No release of vLLM. */
const VERSION = "0.0.0+simulated";

const REQUEST_ID = /^[\w.-]{1,128}$/;

/** Answered while the replica is cold, without starting it. */
type Probe = (replica: Replica, exchange: Exchange) => void;

const PROBES: Readonly<Record<string, Probe>> = {
	"/health": (_, exchange) => exchange.text(200, ""),
	"/ping": (_, exchange) => exchange.text(200, ""),
	"/version": (_, exchange) => exchange.value({ version: VERSION }),
	"/metrics": (replica, exchange) => {
		const { running, waiting, kvUsage } = replica.state;
		exchange.text(200, renderMetrics(replica.settings.model, replica.served.counters, { running, waiting, kvUsage }));
	},
	"/is_sleeping": (replica, exchange) =>
		exchange.value({ is_sleeping: replica.warmth === "asleep" || replica.warmth === "waking" }),
};

type Infer = (inference: Inference, body: JsonObject) => void;

const INFERENCE: Readonly<Record<string, Infer>> = {
	"/v1/chat/completions": inferChat,
	"/v1/completions": inferCompletion,
	"/v1/embeddings": inferEmbedding,
};

type Post = (replica: Replica, call: Call, exchange: Exchange) => void;

const POSTS: Readonly<Record<string, Post>> = {
	"/ping": (_, __, exchange) => exchange.text(200, ""),
	"/sleep": (replica, { query }, exchange) => {
		replica.sleep(new URLSearchParams(query).get("level") === "2" ? 2 : 1);
		exchange.text(200, "");
	},
	"/wake_up": (replica, { query }, exchange) => {
		const asked = new URLSearchParams(query).getAll("tags");
		const tags = SLEEP_TAGS.filter((tag) => asked.length === 0 || asked.includes(tag));
		replica.wake(() => exchange.text(200, ""), tags);
	},
	"/collective_rpc": (replica, call, exchange) => {
		const body = parseObject(call.body.toString());
		if (body.ok && body.value["method"] === "reload_weights")
			replica.reloadWeights(() => exchange.value({ results: [null] }));
		else exchange.error(statusError(400, "Missing 'method' in request body, or one that is not simulated"));
	},
	"/reset_prefix_cache": (replica, _, exchange) => {
		replica.served.engine.resetPrefixCache();
		exchange.text(200, "");
	},
	"/tokenize": (replica, call, exchange) =>
		withBody(replica, call, exchange, (body) => tokenize(body, replica.vocabulary, replica.settings)),
	"/detokenize": (replica, call, exchange) =>
		withBody(replica, call, exchange, (body) => detokenize(body, replica.vocabulary)),
};

/** Answers one call, faults before the answer and authentication included. */
export function route(replica: Replica, call: Call, exchange: Exchange): void {
	const { path, headers } = call;
	const { apiKey, provider } = replica.settings;
	if (exchange.hangs("headers", "")) return;
	const failure = exchange.plan?.status;
	if (failure) {
		exchange.failure(failure);
		return;
	}
	const isGuarded = path.startsWith("/v1") || (provider !== null && provider !== "vllm_sleep");
	if (apiKey !== null && isGuarded && headers["authorization"] !== `Bearer ${apiKey}`) {
		exchange.value({ error: "Unauthorized" }, 401);
		return;
	}
	passFront(replica, call, exchange, () => engine(replica, call, exchange));
}

/** What the engine answers, or the lack of it. */
function engine(replica: Replica, call: Call, exchange: Exchange): void {
	const { method, path } = call;
	const infer = INFERENCE[path];
	const isRead = method === "GET" || method === "HEAD";
	if (isRead && PROBES[path]) {
		probe(replica, path, PROBES[path], exchange);
	} else if (isRead && path.startsWith("/v1/models")) {
		models(replica, path, exchange);
	} else if (method === "POST" && infer) {
		const serve = () => inference(replica, infer, call, exchange);
		const leave = replica.whenWarm(serve, () => exchange.error(statusError(503, "The replica is starting.")));
		if (leave) exchange.onGone(leave);
	} else if (method === "POST" && POSTS[path]) {
		POSTS[path](replica, call, exchange);
	} else if (infer || PROBES[path] || POSTS[path]) {
		exchange.error({ status: 405, type: "Method Not Allowed", message: "Method Not Allowed", param: null });
	} else {
		exchange.error({ status: 404, type: "Not Found", message: "Not Found", param: null });
	}
}

/** A cold replica's probes fail, /ping in the way of load-balanced serverless workers: 204 while there is none. */
function probe(replica: Replica, path: string, answer: Probe, exchange: Exchange): void {
	const isUp = replica.warmth !== "cold" && replica.warmth !== "starting";
	if (isUp) answer(replica, exchange);
	else exchange.text(path === "/ping" ? 204 : 503, "");
}

function models(replica: Replica, path: string, exchange: Exchange): void {
	const card = modelCard(replica.settings, replica.served.counters.startedAt);
	const name = decodeURIComponent(path.slice("/v1/models/".length));
	if (path === "/v1/models") exchange.value({ object: "list", data: [card] });
	else if (name === replica.settings.model) exchange.value(card);
	else exchange.error({ ...statusError(404, `The model \`${name}\` does not exist.`), param: "model" });
}

function inference(replica: Replica, infer: Infer, call: Call, exchange: Exchange): void {
	const { settings, served, text } = replica;
	const body = readBody(call.body, contentType(call), settings.model, served.pacer === null);
	if (!body.ok) {
		exchange.error(body.error);
		return;
	}
	const asked = call.headers["x-request-id"];
	const id = typeof asked === "string" && REQUEST_ID.test(asked) ? asked : replica.nextId();
	infer({ settings, served, text, exchange, id }, body.value);
}

function withBody(
	replica: Replica,
	call: Call,
	exchange: Exchange,
	answer: (body: JsonObject) => ReturnType<typeof tokenize>,
): void {
	const body = readBody(call.body, contentType(call), replica.settings.model, false);
	const result = body.ok ? answer(body.value) : body;
	if (result.ok) exchange.value(result.value);
	else exchange.error(result.error);
}

function contentType(call: Call): string | undefined {
	const value = call.headers["content-type"];
	return typeof value === "string" ? value : undefined;
}
