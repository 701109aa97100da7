import type { WaitUntil } from "../../../src/adapters/catalog-cache.ts";
import { RecentMap } from "../../../src/shared/catalog/recent-map.ts";
import type { CatalogSnapshot } from "../../../src/shared/catalog/snapshot.ts";
import type { RouterPort } from "../../../src/shared/router/messages.ts";
import type { OnlineView } from "../../../src/shared/router/online-view.ts";
import { routerName, setupOf } from "../../../src/shared/router/router-setup.ts";
import type { Seconds } from "../../../src/shared/units.ts";
import { withinDeadline } from "../objects.ts";

/** Routers whose views an isolate holds; a view has some kilobytes. */
const VIEWS_MAX = 256;
/** After this a call that has not come back no longer keeps others from asking. */
const CALL_SECONDS: Seconds = 5;

interface Held {
	view: OnlineView | null;
	askedAt: Seconds;
	pending: boolean;
}

export function routerOf(env: Env, tenant: string, router: string): RouterPort {
	return env.ROUTER.getByName(routerName(tenant, router));
}

/** What this isolate has heard of what routers have learned. */
export class Views {
	readonly #freshSeconds: Seconds;
	readonly #held = new RecentMap<string, Held>(VIEWS_MAX);

	constructor(freshSeconds: Seconds) {
		this.#freshSeconds = freshSeconds;
	}

	/** What the router had learned when it was last asked; null before it has answered. It is asked behind the request when that is
	 *  long ago, and never waited for: without it a prompt is judged by the weights alone. */
	of(tenant: string, router: string, snapshot: CatalogSnapshot, env: Env, waitUntil: WaitUntil): OnlineView | null {
		const name = routerName(tenant, router);
		const now = Date.now() / 1_000;
		let held = this.#held.get(name);
		if (!held) this.#held.set(name, (held = { view: null, askedAt: -Infinity, pending: false }));
		const age = now - held.askedAt;
		if (age >= (held.pending ? Math.max(CALL_SECONDS, this.#freshSeconds) : this.#freshSeconds)) {
			Object.assign(held, { askedAt: now, pending: true });
			waitUntil(this.#ask(held, routerOf(env, tenant, router), snapshot, router));
		}
		return held.view;
	}

	async #ask(held: Held, port: RouterPort, snapshot: CatalogSnapshot, router: string): Promise<void> {
		try {
			held.view = await withinDeadline(CALL_SECONDS, port.view(setupOf(snapshot, router)));
		} catch {
			// What was heard before still holds.
		}
		held.pending = false;
	}
}
