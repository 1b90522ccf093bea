// @vitest-environment node
import { describe, expect, it } from 'vitest';
import { centred, fit, imagePoint, keepInSight, pan, screenPoint, toImage, toScreen, turnRight, zoomAt, type QuarterTurns } from './geometry';

const picture = { width: 400, height: 200 };
const room = { width: 816, height: 616 };

describe('views of a picture', () => {
  it('fits the whole picture, centred', () => {
    expect(fit(picture, room)).toEqual({ scale: 2, x: 8, y: 108, turns: 0 });
    expect(fit(picture, room, 1).scale).toBe(1.5);
  });

  it('does not enlarge a tiny picture without end', () => {
    expect(fit({ width: 8, height: 8 }, room).scale).toBe(32);
  });

  it.each([0, 1, 2, 3] as QuarterTurns[])('goes to the screen and back after %s quarter turns', turns => {
    const view = zoomAt(pan(fit(picture, room, turns), 13, -7), screenPoint(100, 90), 1.7);
    for (const [x, y] of [[0, 0], [400, 200], [37, 151]] as const) {
      const back = toImage(view, picture, toScreen(view, picture, imagePoint(x, y)));
      expect(back.x).toBeCloseTo(x);
      expect(back.y).toBeCloseTo(y);
    }
  });

  it('keeps the point under the pointer where it is', () => {
    const view = fit(picture, room);
    const at = screenPoint(300, 250);
    const before = toImage(view, picture, at);
    const after = toImage(zoomAt(view, at, 3), picture, at);
    expect(after.x).toBeCloseTo(before.x);
    expect(after.y).toBeCloseTo(before.y);
  });

  it('keeps part of the picture in sight', () => {
    const lost = pan(centred(picture, room, 1), 5_000, -5_000);
    const kept = keepInSight(lost, picture, room);
    expect(kept.x).toBe(room.width - 40);
    expect(kept.y).toBe(40 - picture.height);
  });

  it('is upright again after four turns', () => {
    expect([0, 0, 0, 0].reduce<QuarterTurns>(turns => turnRight(turns), 0)).toBe(0);
  });
});
