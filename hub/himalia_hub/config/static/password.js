'use strict';
// Ticks the rules of a new password while it is typed. The platform checks all of them again; what
// only it knows (common and earlier passwords) is left open here.
(() => {
  const password = document.getElementById('password');
  const rules = [...document.querySelectorAll('#rules li')];
  if (!password || !rules.length) return;
  const value = id => document.getElementById(id)?.value ?? '';
  const turned = text => [...text].reverse().join('');

  function differing(old, fresh) {
    const a = [...old], b = [...fresh];
    const shorter = Math.min(a.length, b.length);
    let count = Math.abs(a.length - b.length);
    for (let i = 0; i < shorter; i++) count += a[i] !== b[i] ? 1 : 0;
    return count;
  }

  const checks = {
    length: (text, rule) => [...text].length >= rule.number && [...text].length <= rule.upper,
    special: text => /[^\p{L}\p{N}]/u.test(text),
    kinds: (text, rule) =>
      [/\p{Ll}/u, /\p{Lu}/u, /\p{Nd}/u].filter(kind => kind.test(text)).length >= rule.number,
    not_name: text => {
      const name = (value('username') || password.dataset.user || '').toLowerCase();
      return !name || ![name, turned(name)].includes(text.toLowerCase());
    },
    differs: (text, rule) => {
      const old = value('old_password');
      return old ? differing(old, text) >= rule.number : null;
    }
  };

  function show() {
    const text = password.value;
    for (const item of rules) {
      const { code, number, upper } = item.dataset;
      const check = checks[code];
      const kept = text && check ? check(text, { number: Number(number), upper: Number(upper) }) : null;
      item.classList.toggle('kept', kept === true);
      item.classList.toggle('broken', kept === false);
    }
  }

  for (const id of ['password', 'username', 'old_password']) {
    document.getElementById(id)?.addEventListener('input', show);
  }
})();
