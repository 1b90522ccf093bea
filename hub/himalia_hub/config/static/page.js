'use strict';
// What the hub's pages with a script share: what the page was given, its texts, and making elements.
// Text is set as text, never as markup.
const shared = (() => {
  const given = JSON.parse(document.getElementById('data').textContent);
  const texts = given.texts;

  const t = (key, values = {}) =>
    (texts[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '');

  function el(tag, options = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(options)) {
      if (name === 'on') {
        for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
      } else if (value === true) {
        node.setAttribute(name, '');
      } else if (value !== false && value != null) {
        node.setAttribute(name, value);
      }
    }
    node.append(...children.flat(Infinity).filter(child => child != null && child !== ''));
    return node;
  }

  return Object.freeze({ given, texts, t, el, byId: id => document.getElementById(id) });
})();
