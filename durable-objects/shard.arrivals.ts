import { passingValues } from "../src/shared/federated/decode.ts";
import { encodedBytes } from "../src/shared/federated/encoding.ts";
import { free } from "../src/shared/federated/free.ts";
import { squaredNorm } from "../src/shared/federated/kernels.ts";
import { ROW_PARAMETERS } from "../src/shared/federated/sizes.ts";
import type { RowsReply } from "./shard.messages.ts";
import type { Arriving, ShardStagingStore } from "./shard.staging.store.ts";

/** Rows of uploads as they come: whole, finite, and with the sum of their squares. */
export class ShardArrivals {
	readonly #staging: ShardStagingStore;

	constructor(staging: ShardStagingStore) {
		this.#staging = staging;
	}

	/** Rows of an upload, one behind the other from `row` on. They are written in one turn, and so in one commit. */
	putRows(upload: number, row: number, bytes: Uint8Array): RowsReply {
		const arriving = this.#staging.arriving(upload);
		if (!arriving) return { ok: false, fault: "upload_gone" };
		let at = 0;
		for (let place = row; at < bytes.byteLength; place++) {
			const { first, length } = rangeOf(arriving, place);
			const size = encodedBytes(arriving.encoding, length);
			const reply = this.#putRow(arriving, place, { first, length }, bytes.subarray(at, at + size));
			if (!reply.ok) return reply;
			at += size;
		}
		free([bytes]);
		return { ok: true };
	}

	#putRow({ upload, encoding }: Arriving, row: number, { first, length }: RowRange, bytes: Uint8Array): RowsReply {
		if (length <= 0 || bytes.byteLength !== encodedBytes(encoding, length)) {
			throw new RangeError(
				`row ${row} of a part has ${length} parameters and came with ${bytes.byteLength} bytes in ${encoding}`,
			);
		}
		const values = passingValues(encoding, bytes, length);
		const square = squaredNorm(values);
		if (!Number.isFinite(square)) {
			this.#staging.drop(upload);
			const index = values.findIndex((value) => !Number.isFinite(value));
			return { ok: false, fault: "not_finite", index: first + Math.max(0, index) };
		}
		this.#staging.putRow(upload, row, square, bytes);
		return { ok: true };
	}
}

interface RowRange {
	readonly first: number;
	readonly length: number;
}

function rangeOf({ begin, end }: Arriving, row: number): RowRange {
	const first = begin + row * ROW_PARAMETERS;
	return { first, length: Math.min(end, first + ROW_PARAMETERS) - first };
}
