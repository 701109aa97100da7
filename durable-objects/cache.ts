import { DurableObject } from "cloudflare:workers";
import { LEAD_SECONDS, type CacheReply, type StoredAnswer } from "../src/shared/router/cache-messages.ts";
import { SingleFlight } from "../src/shared/router/single-flight.ts";
import type { Seconds } from "../src/shared/units.ts";
import { CACHE_MIGRATIONS } from "./cache.migrations.ts";
import { CacheStore } from "./cache.store.ts";
import { migrate } from "./sql-migrations.ts";

/** How often expired answers are looked for while there are any. */
const PURGE_SECONDS: Seconds = 3_600;

/** One tenant's answers to requests that were asked exactly so before, and who is getting one now. Its name is the tenant. */
export class AnswerCache extends DurableObject<Env> {
	readonly #store: CacheStore;
	readonly #flights = new SingleFlight<StoredAnswer>(LEAD_SECONDS);
	#watching = false;

	constructor(ctx: DurableObjectState, env: Env) {
		super(ctx, env);
		migrate(ctx.storage, CACHE_MIGRATIONS);
		this.#store = new CacheStore(ctx.storage);
	}

	ask(key: string, asker: string): CacheReply {
		const now = clock();
		const stored = this.#store.read(key, now);
		if (stored) return { kind: "hit", ...stored, joined: false };
		this.#flights.expire(now);
		return { kind: this.#flights.join(key, asker, now) ? "lead" : "wait" };
	}

	wait(key: string, asker: string): Promise<CacheReply | null> {
		const { promise, resolve } = Promise.withResolvers<CacheReply | null>();
		const waits = this.#flights.wait(key, asker, (turn) => {
			if (turn.kind === "answer") resolve({ kind: "hit", answer: turn.answer, age: 0, joined: true });
			else resolve(turn.kind === "lead" ? { kind: "lead" } : null);
		});
		// It has landed between the two calls, or the object has forgotten all flights.
		if (!waits) return Promise.resolve(this.#joined(this.ask(key, asker)));
		this.#watch();
		return promise;
	}

	renew(key: string, asker: string): void {
		this.#flights.renew(key, asker, clock());
	}

	/** Keeps the answer, and gives it to all who wait; those also get one that is too long to keep. */
	async give(key: string, answer: StoredAnswer, ttlSeconds: Seconds): Promise<void> {
		this.#store.write(key, answer, ttlSeconds, clock());
		this.#flights.land(key, answer);
		if ((await this.ctx.storage.getAlarm()) === null)
			await this.ctx.storage.setAlarm((clock() + PURGE_SECONDS) * 1_000);
	}

	forgo(key: string, asker: string): void {
		this.#flights.leave(key, asker, clock());
	}

	/** What is kept, for operators and tests. */
	size(): { answers: number; bytes: number } {
		return { answers: this.#store.answers, bytes: this.#store.bytes };
	}

	override async alarm(): Promise<void> {
		const now = clock();
		this.#store.purge(now);
		if (this.#store.answers > 0) await this.ctx.storage.setAlarm((now + PURGE_SECONDS) * 1_000);
	}

	#joined(reply: CacheReply): CacheReply | null {
		if (reply.kind === "wait") return null;
		return reply.kind === "hit" ? { ...reply, joined: true } : reply;
	}

	/** While somebody waits, looks for leads that give no sign of life. */
	#watch(): void {
		if (this.#watching) return;
		const next = this.#flights.expire(clock());
		if (next === Infinity) return;
		this.#watching = true;
		setTimeout(
			() => {
				this.#watching = false;
				this.#watch();
			},
			Math.max(0.05, next - clock()) * 1_000,
		);
	}
}

function clock(): Seconds {
	return Date.now() / 1_000;
}
