import type { AssignReply } from "../src/shared/scheduler/messages.ts";
import type { Seconds } from "../src/shared/units.ts";

/** A place that nobody asks for is forgotten after this: longer than any waiting time. */
const TURN_SECONDS: Seconds = 700;
/** How often the waiting room is looked at while somebody stands in it. */
const TICK_SECONDS: Seconds = 0.25;

interface Turn {
	readonly promise: Promise<AssignReply>;
	readonly resolve: (reply: AssignReply) => void;
	readonly since: Seconds;
}

/** The last words for those who wait, by reservation, whichever comes first: the word or who asks for it. */
export class Turns {
	readonly #tick: () => void;
	readonly #turns = new Map<string, Turn>();
	#waiters = 0;
	#ticker: ReturnType<typeof setInterval> | undefined;

	/** `tick` looks at the waiting room. */
	constructor(tick: () => void) {
		this.#tick = tick;
	}

	/** Somebody will ask for it. */
	expect(reservation: string): Turn {
		let turn = this.#turns.get(reservation);
		if (!turn) {
			const { promise, resolve } = Promise.withResolvers<AssignReply>();
			this.#turns.set(reservation, (turn = { promise, resolve, since: Date.now() / 1_000 }));
		}
		return turn;
	}

	tell(reservation: string, reply: AssignReply): void {
		this.expect(reservation).resolve(reply);
	}

	/** Null: nothing is known of it. */
	async wait(reservation: string): Promise<AssignReply | null> {
		const turn = this.#turns.get(reservation);
		if (!turn) return null;
		// A timer in memory is enough: an object with a call under way is not evicted.
		this.#waiters++;
		this.#ticker ??= setInterval(this.#tick, TICK_SECONDS * 1_000);
		try {
			return await turn.promise;
		} finally {
			this.#turns.delete(reservation);
			if (--this.#waiters === 0) {
				clearInterval(this.#ticker);
				this.#ticker = undefined;
			}
		}
	}

	forget(reservation: string): void {
		this.#turns.delete(reservation);
	}

	/** Forgets those for which nobody will come any more. */
	tidy(now: Seconds): void {
		for (const [reservation, { since }] of this.#turns) if (now - since > TURN_SECONDS) this.forget(reservation);
	}
}
