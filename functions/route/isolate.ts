import { Conversations } from "../../src/shared/router/conversations.ts";
import { settingsFrom, type Settings } from "../../src/shared/settings.ts";
import type { Seconds } from "../../src/shared/units.ts";
import { Outlooks } from "./auto/outlooks.ts";
import { Views } from "./auto/views.ts";
import { Credit } from "./credit.ts";
import { Neighbourhood } from "./neighbourhood.ts";
import { Post } from "./post.ts";

/** What the requests of one isolate share. Nothing in it is needed for correctness: an isolate may vanish at any time. */
export interface Isolate {
	/** Names this isolate to schedulers and ledgers. */
	readonly id: string;
	readonly settings: Settings;
	readonly post: Post;
	readonly credit: Credit;
	readonly replicas: Neighbourhood;
	readonly outlooks: Outlooks;
	readonly conversations: Conversations;
	readonly views: Views;
}

let isolate: Isolate | undefined;

/** This isolate's shared state, made with its first request (random ids may not be drawn before). */
export function thisIsolate(env: Pick<Env, "SETTINGS">): Isolate {
	isolate ??= create(settingsFrom(env.SETTINGS));
	return isolate;
}

function create(settings: Settings): Isolate {
	const newId = (): string => crypto.randomUUID();
	return {
		id: newId(),
		settings,
		post: new Post(settings, newId),
		credit: new Credit(),
		replicas: new Neighbourhood(now, settings.retryShareMax),
		outlooks: new Outlooks(),
		conversations: new Conversations(),
		views: new Views(settings.routerViewSeconds),
	};
}

export function now(): Seconds {
	return Date.now() / 1_000;
}
