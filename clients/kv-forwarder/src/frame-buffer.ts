import type { Frame } from "./frame.ts";

export interface BufferLimits {
	readonly framesMax: number;
	readonly bytesMax: number;
}

/** Frames on their way to the gateway, oldest first. When one more does not fit, the oldest goes and is counted: the gateway
 *  sees the gap and asks for it again. */
export class FrameBuffer {
	readonly #limits: BufferLimits;
	#frames: Frame[] = [];
	#bytes = 0;
	#dropped = 0;

	constructor(limits: BufferLimits) {
		this.#limits = limits;
	}

	get length(): number {
		return this.#frames.length;
	}

	get bytes(): number {
		return this.#bytes;
	}

	/** Frames dropped since the start. */
	get dropped(): number {
		return this.#dropped;
	}

	push(frame: Frame): void {
		this.#frames.push(frame);
		this.#bytes += frame.payload.length;
		while (this.#frames.length > this.#limits.framesMax || this.#bytes > this.#limits.bytesMax) {
			this.take({ framesMax: 1, bytesMax: 0 });
			this.#dropped++;
		}
	}

	/** Takes out all, and says how many there were. */
	clear(): number {
		const { length } = this.#frames;
		this.#frames = [];
		this.#bytes = 0;
		return length;
	}

	/** Takes out the oldest frames that fit together; one at least, if there is any. */
	take({ framesMax, bytesMax }: BufferLimits): Frame[] {
		let count = 0;
		let bytes = 0;
		while (count < Math.min(framesMax, this.#frames.length)) {
			const next = this.#frames[count]?.payload.length ?? 0;
			if (count > 0 && bytes + next > bytesMax) break;
			bytes += next;
			count++;
		}
		this.#bytes -= bytes;
		return this.#frames.splice(0, count);
	}
}
